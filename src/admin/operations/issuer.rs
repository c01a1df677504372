//! What concerns the issuer as a whole over HTTP and on the command line: settings, statistics, purge.

use crate::admin::operation::{Answer, Body, NoQuery, operations};
use crate::admin::settings::SettingsChange;
use crate::admin::statistics::Statistics;
use crate::admin::{Done, version_of};
use crate::oauth::purge::Purged;
use crate::store::settings::Settings;

impl Body for SettingsChange {}
impl Answer for Purged {}
impl Answer for Statistics {}

impl Answer for Settings {
    fn version(&self) -> Option<String> {
        Some(version_of(self))
    }
}

operations! {
    /// Shows the settings that hold at run time.
    ShowSettings = Get "/settings" (Show, Read) |admin, _: (), _: NoQuery, _: ()| -> Settings {
        admin.settings().await
    }

    /// Changes settings, for every instance within two seconds; what is absent stays as it is.
    UpdateSettings = Patch "/settings" (Update, Write)
        |admin, _: (), _: NoQuery, change: SettingsChange| -> Done<Settings> {
        admin.change_settings(change).await
    }

    /// Counts what there is.
    ShowStatistics = Get "/statistics" (Act, Read) |admin, _: (), _: NoQuery, _: ()| -> Statistics {
        admin.statistics().await
    }

    /// Removes what has ended, as serving instances do all the time.
    PurgeEnded = Post "/purges" (Act, Write) |admin, _: (), _: NoQuery, _: ()| -> Purged {
        admin.purge().await
    }
}
