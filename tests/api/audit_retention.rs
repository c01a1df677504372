//! Audit events are removed by whole seals, when their retention has passed and not before.

use signet::admin::settings::SettingsChange;
use signet::audit::findings::Kind;
use signet::store::audit_seals::AuditSeal;

use crate::audit_seals::{insert_at, kinds, seal, seals, some_seals, verify};
use crate::on_both;
use crate::purge::{DAY, purge};
use crate::support::app::App;

async fn keep_for(app: &App, seconds: i64) {
    let change = SettingsChange { audit_retention: Some(seconds), ..SettingsChange::default() };
    app.admin().change_settings(change).await.unwrap();
    app.synchronise().await;
}

on_both! {
    async fn events_are_removed_by_whole_seals_when_their_retention_has_passed(app) {
        keep_for(&app, 2 * DAY).await;
        some_seals(&app).await;
        // They are never removed without a seal.
        insert_at(&app, 30 * DAY).await;
        let all = seals(&app).await;
        let first = &all[0];
        let due = first.last_at + chrono::Duration::days(2);
        app.advance((due - app.clock.now()).num_seconds() - 1);
        assert_eq!(purge(&app).await.audit_events, 0);
        app.advance(2);
        let (old, young): (Vec<&AuditSeal>, Vec<_>) = all.iter().partition(|seal| seal.last_at == first.last_at);
        let events = |seals: &[&AuditSeal]| seals.iter().map(|seal| usize::try_from(seal.events).unwrap()).sum::<usize>();
        assert_eq!(purge(&app).await.audit_events, events(&old));
        assert_eq!(app.events(|action| action == "late").await.len(), 1);
        app.advance(5 * DAY);
        assert_eq!(purge(&app).await.audit_events, events(&young));
        seal(&app).await;
        let found = verify(&app).await;
        assert!(found.holds, "{found:?}");
        assert_eq!(found.purged_seals, all.len() as u64);
        assert!(found.youngest_purged.is_some_and(|seconds| seconds >= 2 * DAY), "{found:?}");
        assert_eq!(app.events(|action| action == "audit.purge").await.len(), all.len());
        // It was right to remove them then.
        keep_for(&app, 365 * DAY).await;
        assert!(verify(&app).await.holds);
        app.sql("UPDATE audit_events SET target = 'audit_seal:99' WHERE action = 'audit.purge'").await;
        assert!(kinds(&verify(&app).await).contains(&Kind::PurgedEarly), "the record of it is not there");
    }
}
