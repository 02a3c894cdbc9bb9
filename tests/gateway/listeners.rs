//! Listeners: TLS, certificates that are replaced while the gateway runs, files that cannot be used.

use std::{
    io::ErrorKind,
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use hookgate::testkit::{Launch, PATIENCE, TestDestination, http::Request, poll};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    harness::TestGateway,
    tls::{Identity, ask},
};

/// Clients that never begin a handshake: more than one worker would have in handshakes if nobody had said otherwise.
const SILENT: usize = 400;

const READY: Request<'_> = Request { method: "GET", target: "/-/readyz", headers: &[], body: b"" };

/// Settings that name the files of a directory for a listener.
fn secured(launch: Launch, section: &str, directory: &Path) -> Launch {
    let file = |name: &str| directory.join(name).display().to_string();
    launch
        .setting(&format!("{section}.tls_cert_file"), &file("tls.crt"))
        .setting(&format!("{section}.tls_key_file"), &file("tls.key"))
}

/// A gateway that takes requests over TLS.
pub(crate) fn secured_ingress(directory: &Path) -> TestGateway {
    TestGateway::with(|launch| secured(launch, "ingress", directory))
}

/// Waits until a listener shows this certificate.
#[track_caller]
fn wait_for(gateway: &TestGateway, wanted: &Identity, believed: &[&Identity]) {
    let shown = poll(PATIENCE, || {
        let answer = ask(gateway.ingress, believed, &READY).ok()?;
        (answer.certificate == wanted.certificate).then_some(())
    });
    assert!(shown.is_some(), "the new certificate is not shown: {}", gateway.output());
}

#[test]
fn requests_over_tls_keep_their_path_byte_for_byte_and_are_never_http2() {
    let (files, identity) = (tempfile::tempdir().unwrap(), Identity::new());
    identity.write(files.path());
    let gateway = secured_ingress(files.path());
    let destination = TestDestination::start().strict();
    let flow = gateway.connect("secure", &destination.url(), &json!([]));
    let source = gateway.get(&format!("/sources/{}", flow.source_id));
    let url = format!("https://{}{}", gateway.ingress, flow.path);
    assert_eq!(source["url"], url);
    assert!(gateway.output().contains(&format!("https://{}", gateway.ingress)), "{}", gateway.output());

    let target = format!("{}//a%2Fb/%7e?q=%20&q=+", flow.path);
    let request = Request { method: "POST", target: &target, headers: &[], body: b"{}" };
    let answer = ask(gateway.ingress, &[&identity], &request).unwrap();
    assert_eq!((answer.response.status, answer.protocol.as_deref()), (200, Some(&b"http/1.1"[..])));
    let received = destination.next_request(PATIENCE);
    assert!(received.target.ends_with("//a%2Fb/%7e?q=%20&q=+"), "{}", received.target);

    let plain = Request { method: "POST", target: &flow.path, ..Request::default() }.send(gateway.ingress);
    assert!(plain.is_err(), "plain HTTP was answered: {plain:?}");
}

#[test]
fn the_api_speaks_tls_with_a_certificate_of_its_own() {
    let (data, files, identity) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Identity::new());
    identity.write(files.path());
    let launch = secured(Launch::new(env!("CARGO_BIN_EXE_hookgate"), data.path()), "api", files.path());
    let gateway = launch.spawn();
    let ready = poll(PATIENCE, || {
        let answer = ask(gateway.api, &[&identity], &READY).ok()?;
        (answer.response.status == 200).then_some(answer)
    });
    let answer = ready.unwrap_or_else(|| panic!("not ready: {}", gateway.output()));
    assert_eq!(answer.protocol.as_deref(), Some(&b"http/1.1"[..]));
    assert!(ask(gateway.api, &[&Identity::new()], &READY).is_err(), "a stranger's certificate was believed");
    assert!(gateway.output().contains(&format!("https://{}", gateway.api)), "{}", gateway.output());
    let ended = gateway.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
}

#[test]
fn a_certificate_is_replaced_while_the_gateway_runs_and_a_broken_one_is_not_taken() {
    let files = tempfile::tempdir().unwrap();
    let [first, second, third] = std::array::from_fn(|_| Identity::new());
    let believed = [&first, &second, &third];
    // As Kubernetes mounts a secret: the files are links through a link, and that one is swapped.
    first.write(&files.path().join("v1"));
    second.write(&files.path().join("v2"));
    point(files.path(), "v1");
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), files.path().join(name)).unwrap();
    }
    let gateway = secured_ingress(files.path());
    wait_for(&gateway, &first, &believed);
    point(files.path(), "v2");
    wait_for(&gateway, &second, &believed);

    // Written in place, and only half of it.
    std::fs::write(files.path().join("tls.crt"), &third.certificate_pem).unwrap();
    let complaint =
        poll(PATIENCE, || gateway.output().lines().find(|line| line.contains("is not used")).map(str::to_owned));
    let complaint = complaint.unwrap_or_else(|| panic!("nothing was said: {}", gateway.output()));
    for named in ["ingress.tls_key_file", &files.path().join("tls.crt").display().to_string()] {
        assert!(complaint.contains(named), "{named} is not in: {complaint}");
    }
    wait_for(&gateway, &second, &believed);
    std::fs::write(files.path().join("tls.key"), &third.key_pem).unwrap();
    wait_for(&gateway, &third, &believed);
}

/// Makes `..data` lead to a directory, in one step.
fn point(directory: &Path, to: &str) {
    symlink(to, directory.join("..new")).unwrap();
    std::fs::rename(directory.join("..new"), directory.join("..data")).unwrap();
}

/// Starts with the files of `directory` for a listener; gives the complaint.
fn refused(section: &str, directory: &TempDir) -> String {
    let data = tempfile::tempdir().unwrap();
    let launch = Launch::new(env!("CARGO_BIN_EXE_hookgate"), data.path());
    let ended = secured(launch, section, directory.path()).run_to_end();
    assert_eq!(ended.status.code(), Some(2), "{}", ended.output);
    ended.output
}

#[test]
fn files_that_make_no_certificate_refuse_the_start_by_setting_and_file() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { files.path().join(name) };
    let (one, other) = (Identity::new(), Identity::new());
    let cases: [(&dyn Fn(), &str, &str); 5] = [
        (&|| (), "tls_cert_file", "tls.crt"),
        (&|| std::fs::write(path("tls.crt"), "none").unwrap(), "tls_cert_file", "tls.crt"),
        (&|| std::fs::write(path("tls.crt"), &one.certificate_pem).unwrap(), "tls_key_file", "tls.key"),
        (&|| std::fs::write(path("tls.key"), &one.certificate_pem).unwrap(), "tls_key_file", "tls.key"),
        (&|| std::fs::write(path("tls.key"), &other.key_pem).unwrap(), "tls_key_file", "tls.key"),
    ];
    for (section, (change, key, file)) in ["ingress", "api", "api", "ingress", "ingress"].into_iter().zip(cases) {
        change();
        let said = refused(section, &files);
        for named in [format!("{section}.{key}"), path(file).display().to_string()] {
            assert!(said.contains(&named), "{named} is not in: {said}");
        }
    }
}

#[test]
fn a_client_that_does_not_finish_its_handshake_keeps_nobody_else_waiting() {
    let (files, identity) = (tempfile::tempdir().unwrap(), Identity::new());
    identity.write(files.path());
    let gateway = TestGateway::with(|launch| secured(launch, "ingress", files.path()).setting("ingress.workers", "1"));
    let request = Request { method: "POST", target: "/e/x", ..Request::default() };
    // They are let go after a few seconds, so that on a slow machine it may take more than one try.
    let served = poll(PATIENCE, || {
        let silent: Vec<TcpStream> = (0..SILENT).map(|_| TcpStream::connect(gateway.ingress).unwrap()).collect();
        let answer = ask(gateway.ingress, &[&identity], &request).unwrap();
        assert_eq!(answer.response.status, 404);
        silent.iter().all(is_open).then_some(())
    });
    assert!(served.is_some(), "nobody was served while {SILENT} clients were silent");
}

/// Whether the peer has not closed a connection on which it has said nothing.
fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}
