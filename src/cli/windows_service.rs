//! signet as a service of Windows: installed, removed, and run by the service manager, whose stop is the same as Ctrl-C.
//!
//! A service has no standard error: what it reports goes to a file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Subcommand;
use tokio::sync::Notify;
use windows_service::service::{
    ServiceAccess, ServiceControl, ServiceControlAccept, ServiceErrorControl, ServiceExitCode, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

use super::failure::Failure;
use super::output::Report;
use super::serve;
use crate::config::Config;
use crate::telemetry;

const NAME: &str = "signet";

/// An account without rights of its own; a service made for it has its own identity, `NT SERVICE\signet`.
const ACCOUNT: &str = r"NT AUTHORITY\LocalService";

/// How long the service manager is to wait: a database may have migrations to run, requests in flight have their time.
const STARTING: Duration = Duration::from_mins(5);
const STOPPING: Duration = Duration::from_mins(1);

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Installs the service, which starts with Windows; needs --config, and the rights of an administrator.
    Install {
        /// Writes the log to this file, which the account LocalService must be able to write.
        #[arg(long, value_name = "FILE", default_value = r"C:\ProgramData\signet\signet.log")]
        log_file: PathBuf,
    },
    /// Removes the service; stops it first.
    Uninstall,
    /// Serves under the service manager, which alone can start this.
    Run {
        /// Writes the log to this file.
        #[arg(long, value_name = "FILE")]
        log_file: PathBuf,
    },
}

/// Installs or removes. [`Command::Run`] is [`run`]'s.
pub fn manage(command: &Command, config: Option<&PathBuf>) -> Result<Report, Failure> {
    match command {
        Command::Install { log_file } => install(log_file, config),
        Command::Uninstall => uninstall(),
        Command::Run { .. } => Err(Failure::Usage("only Windows' service manager can start this".to_owned())),
    }
}

fn refused(error: windows_service::Error) -> Failure {
    match error {
        // The crate's own words for it leave out what Windows says.
        windows_service::Error::Winapi(error) => Failure::Unusable(format!("Windows' service manager: {error}")),
        error => Failure::Unusable(format!("Windows' service manager: {error}")),
    }
}

fn install(log_file: &PathBuf, config: Option<&PathBuf>) -> Result<Report, Failure> {
    let config =
        config.ok_or(Failure::Usage("--config is missing: a service has no variables of its own".to_owned()))?;
    // The service has another current folder.
    let whole = |path: &PathBuf| {
        std::path::absolute(path).map_err(|error| Failure::Unusable(format!("{}: {error}", path.display())))
    };
    let (config, log_file) = (whole(config)?, whole(log_file)?);
    // Sooner here than in a log that nobody reads yet.
    Config::load(Some(&config))?.check_for_serve()?;
    let program = std::env::current_exe()?;
    let arguments: [OsString; 6] = [
        "service".into(),
        "run".into(),
        "--config".into(),
        config.into_os_string(),
        "--log-file".into(),
        log_file.into_os_string(),
    ];
    let information = ServiceInfo {
        name: NAME.into(),
        display_name: "signet".into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program,
        launch_arguments: arguments.into(),
        dependencies: Vec::new(),
        account_name: Some(ACCOUNT.into()),
        account_password: None,
    };
    let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
    let manager = ServiceManager::local_computer(None::<&str>, access).map_err(refused)?;
    let service = manager.create_service(&information, ServiceAccess::CHANGE_CONFIG).map_err(refused)?;
    service.set_description("An OAuth 2 token provider").map_err(refused)?;
    service.set_preshutdown_timeout(STOPPING).map_err(refused)?;
    Ok(Report::nothing().noting(format!("the service is installed: `sc start {NAME}` starts it now")))
}

fn uninstall() -> Result<Report, Failure> {
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).map_err(refused)?;
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
    let service = manager.open_service(NAME, access).map_err(refused)?;
    // It goes once it has stopped.
    service.delete().map_err(refused)?;
    if service.query_status().map_err(refused)?.current_state != ServiceState::Stopped {
        service.stop().map_err(refused)?;
    }
    Ok(Report::nothing().noting("the service is removed once it has stopped"))
}

/// What the service manager's thread finds, since it is handed nothing.
struct Start {
    config: Option<PathBuf>,
    log: Arc<File>,
}

static START: OnceLock<Start> = OnceLock::new();
static STATUS: OnceLock<ServiceStatusHandle> = OnceLock::new();
static STOP: Notify = Notify::const_new();

/// Returns when the service manager wants the server to stop. One that asked before this was called is heard, too.
pub async fn asked_to_stop() {
    STOP.notified().await;
}

/// Tells that requests are taken.
pub fn running() {
    tell(ServiceState::Running, 0);
}

define_windows_service!(service_main, serve_as_service);

/// Hands this thread over to the service manager, which has another one serve, until the service has stopped.
pub fn run(log_file: &PathBuf, config: Option<PathBuf>) -> ExitCode {
    let begun = (|| {
        let failed = |error| Failure::Unusable(format!("{}: {error}", log_file.display()));
        let log = OpenOptions::new().create(true).append(true).open(log_file).map_err(failed)?;
        // This is the process's only command.
        let _ = START.set(Start { config, log: Arc::new(log) });
        service_dispatcher::start(NAME, service_main).map_err(refused)
    })();
    begun.map_or_else(|failure: Failure| failure.print(false), |()| ExitCode::SUCCESS)
}

fn serve_as_service(_: Vec<OsString>) {
    let Some(start) = START.get() else { return };
    let handler = |control| match control {
        ServiceControl::Stop | ServiceControl::Preshutdown => {
            tell(ServiceState::StopPending, 0);
            STOP.notify_one();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let mut log = &*start.log;
    match service_control_handler::register(NAME, handler) {
        Ok(status) => drop(STATUS.set(status)),
        Err(error) => {
            // The last resort: without a status nothing can be told.
            let _ = writeln!(log, "signet: {}", refused(error));
            return;
        }
    }
    tell(ServiceState::StartPending, 0);
    let outcome = serve_until_stopped(start);
    if let Err(failure) = &outcome {
        let _ = writeln!(log, "signet: {failure}");
    }
    tell(ServiceState::Stopped, u32::from(outcome.is_err()));
}

fn serve_until_stopped(start: &Start) -> Result<(), Failure> {
    let config = Config::load(start.config.as_deref())?;
    let runtime = super::runtime()?;
    telemetry::init_to(config.log.as_str(), config.log_format, start.log.clone())
        .map_err(|error| Failure::Unusable(error.to_string()))?;
    runtime.block_on(serve::serve(&config))
}

fn tell(state: ServiceState, failure: u32) {
    let wait_hint = match state {
        ServiceState::StartPending => STARTING,
        ServiceState::StopPending => STOPPING,
        _ => Duration::ZERO,
    };
    let controls_accepted = match state {
        ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN,
        _ => ServiceControlAccept::empty(),
    };
    let exit_code = if failure == 0 { ServiceExitCode::NO_ERROR } else { ServiceExitCode::ServiceSpecific(failure) };
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted,
        exit_code,
        checkpoint: 0,
        wait_hint,
        process_id: None,
    };
    if let Some(handle) = STATUS.get()
        && let Err(error) = handle.set_service_status(status)
    {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
