//! TLS: what is served encrypted, with a certificate that changes while the server runs, and what is refused without it.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use raceguard_server::server::{Options, Server, ServerError};
use raceguard_server::tls::TlsFiles;
use raceguard_server::token::{Role, Token};
use support::token;
use tokio::sync::oneshot;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Writes a certificate that signs itself, and its key; gives the certificate.
fn certificate(files: &TlsFiles) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .expect("it is made");
    fs::write(&files.certificate, made.cert.pem()).expect("it is written");
    fs::write(&files.key, made.signing_key.serialize_pem()).expect("it is written");
    made.cert.pem()
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") }
}

/// Asks for findings; `None` when there is no answer.
async fn ask(url: String, trusted: &str, token: &Token) -> Option<u16> {
    let root = Certificate::from_pem(trusted.as_bytes()).expect("it is a certificate");
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)));
    let bearer = format!("Bearer {}", token.reveal());
    let agent: ureq::Agent = config.build().into();
    let asked =
        move || agent.get(url).header("authorization", bearer).call().map(|answer| answer.status().as_u16());
    tokio::task::spawn_blocking(asked).await.expect("it runs").ok()
}

#[tokio::test]
async fn requests_are_encrypted_and_a_new_certificate_is_taken_without_a_restart() {
    let folder = tempfile::tempdir().expect("there is room");
    let read = token(folder.path().join("data"), Role::Read);
    let files = files(folder.path());
    let first = certificate(&files);
    let listen = "127.0.0.1:0".parse().expect("it is an address");
    let options = Options { tls: Some(files.clone()), ..Options::new(folder.path().join("data"), listen) };
    let server = Server::start(options).await.expect("it starts");
    let (port, tls) = (server.address().expect("it has one").port(), server.tls().expect("it has TLS"));
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(server.run(async { drop(stopped.await) }));
    let url = || format!("https://localhost:{port}/v1/findings");
    assert_eq!(ask(url(), &first, &read).await, Some(200));
    assert_eq!(
        ask(format!("http://localhost:{port}/v1/findings"), &first, &read).await,
        None,
        "not in the clear"
    );

    let second = certificate(&files);
    assert_eq!(ask(url(), &second, &read).await, None, "it is not in use yet");
    tls.reload().expect("they belong together");
    assert_eq!(ask(url(), &second, &read).await, Some(200));
    assert_eq!(ask(url(), &first, &read).await, None, "it is no longer in use");

    fs::write(&files.key, "no key").expect("it is written");
    let error = tls.reload().expect_err("it is none").to_string();
    assert!(error.contains("cannot take a key from") && error.contains("key.pem"), "{error}");
    assert_eq!(ask(url(), &second, &read).await, Some(200), "those from before stay in use");
    // Who says nothing holds up nobody.
    let _silent = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it connects");
    assert_eq!(ask(url(), &second, &read).await, Some(200));
    stop.send(()).expect("it runs");
    ended.await.expect("it runs").expect("it ends in order");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("there is room");
    let refused = async |options: Options| Server::start(options).await.expect_err("it is refused");
    let open = Options::new(folder.path().to_owned(), "0.0.0.0:0".parse().expect("it is an address"));
    let error = refused(open.clone()).await;
    assert!(matches!(error, ServerError::Insecure(_)) && error.to_string().contains("--insecure"), "{error}");
    drop(Server::start(Options { insecure: true, ..open.clone() }).await.expect("it was asked for"));

    let files = files(folder.path());
    let error = refused(Options { tls: Some(files.clone()), ..open.clone() }).await.to_string();
    assert!(error.contains("a certificate") && error.contains("cert.pem"), "{error}");
    certificate(&files);
    let other =
        TlsFiles { certificate: folder.path().join("other.pem"), key: folder.path().join("other.key") };
    certificate(&other);
    let mixed = TlsFiles { key: other.key, ..files };
    let error = refused(Options { tls: Some(mixed), ..open }).await.to_string();
    assert!(error.contains("are of no use"), "{error}");
}
