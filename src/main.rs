//! The `signet` program.

fn main() -> std::process::ExitCode {
    // The one TLS library of the process does its cryptography with aws-lc-rs. Only this installs a provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    signet::cli::run()
}
