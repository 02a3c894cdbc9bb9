//! What is laid over what, and what the messages of refusals say.

use std::{net::SocketAddr, time::Duration};

use super::*;

/// Loads `file` (when not empty) with `variables` over it.
fn load(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let environment = Environment::from_pairs(variables.iter().copied());
    if file.is_empty() {
        return Loaded::read(None, &environment);
    }
    let written = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(written.path(), file).unwrap();
    Loaded::read(Some(written.path()), &environment)
}

/// Asserts that loading fails with a message that has all of `parts`.
#[track_caller]
fn refused(file: &str, variables: &[(&str, &str)], parts: &[&str]) {
    let message = load(file, variables).map(|_| ()).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn without_anything_the_defaults_hold() {
    let settings = load("", &[]).unwrap().settings;
    assert_eq!(settings.ingress.listen, "127.0.0.1:8080".parse::<SocketAddr>().unwrap());
    assert_eq!(settings.ingress.body_bytes_max, 10 << 20);
    assert_eq!(settings.delivery.timeout(), Duration::from_mins(1));
    assert_eq!(settings.delivery.header_prefix, "x-hookgate-");
    assert_eq!(settings.store.retention(), Duration::from_hours(30 * 24));
    assert_eq!(settings.store.quota_bytes(), None);
    assert_eq!(settings.log.format, LogFormat::Auto);
    assert!(settings.api_key.is_none() && settings.master_key().is_none());
}

#[test]
fn the_example_file_is_valid() {
    let settings = load(include_str!("../../config/example.toml"), &[]).unwrap().settings;
    assert_eq!(settings.delivery.header_prefix, "x-hookdeck-");
    assert_eq!(settings.store.quota_bytes(), Some(50 << 30));
}

#[test]
fn the_example_unit_sets_what_there_is() {
    let unit = include_str!("../../config/hookgate.service");
    let variables: Vec<(&str, &str)> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment=")?.split_once('='))
        .filter(|(name, _)| *name != environment::CONFIG)
        .collect();
    assert_eq!(load("", &variables).unwrap().settings.data.dir, Path::new("%S/hookgate"));
}

#[test]
fn a_file_overrides_defaults_and_a_variable_overrides_the_file() {
    let file = "[delivery]\nconcurrency = 7\ntimeout_ms = 1500\n";
    let loaded = load(file, &[("HOOKGATE__DELIVERY__CONCURRENCY", "9")]).unwrap();
    assert_eq!(loaded.settings.delivery.concurrency, 9);
    assert_eq!(loaded.settings.delivery.timeout(), Duration::from_millis(1500));
    let shown = loaded.describe();
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("concurrency = 9").ends_with("# environment variable HOOKGATE__DELIVERY__CONCURRENCY"));
    assert!(line("timeout_ms = 1500").contains("# file "));
    assert!(line("drain_grace_ms").ends_with("# default"));
}

#[test]
fn what_is_shown_can_be_read_again() {
    let shown = load("[data]\ndir = 'a \"quoted\" \\ name'\n", &[]).unwrap().describe();
    let again = load(&shown, &[]).unwrap();
    assert_eq!(again.settings.data.dir, Path::new("a \"quoted\" \\ name"));
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_the_nearest_known_one() {
    refused(
        "[ingress]\nlisen = 'x'\n",
        &[],
        &["unknown setting ingress.lisen", "file ", "did you mean ingress.listen?"],
    );
    refused("[ingress]\ntimeout_ms = 5\n", &[], &["ingress.timeout_ms", "did you mean delivery.timeout_ms?"]);
    refused("[ingress]\ncolour = 5\n", &[], &["ingress.colour", "`hookgate config show`"]);
    refused("[ingres]\n", &[], &["unknown setting [ingres]", "did you mean [ingress]?"]);
    refused("concurrency = 5\n", &[], &["unknown setting concurrency", "did you mean delivery.concurrency?"]);
    refused("[log.level]\na = 1\n", &[], &["log.level must be a string"]);
}

#[test]
fn an_unknown_variable_is_named_with_the_nearest_known_one() {
    let name = "HOOKGATE__INGRESS__LISEN";
    refused("", &[(name, "x")], &["unknown setting", name, "did you mean HOOKGATE__INGRESS__LISTEN?"]);
    refused("", &[("HOOKGATE_INGRESS_LISTEN", "x")], &["did you mean HOOKGATE__INGRESS__LISTEN?"]);
    refused("", &[("HOOKGATE_MASTERKEY", "x")], &["did you mean HOOKGATE_MASTER_KEY?"]);
    refused("", &[("HOOKGATE__A__B__C", "x")], &["HOOKGATE__A__B__C"]);
}

#[test]
fn variables_of_others_are_left_alone() {
    let kubernetes = [("HOOKGATE_PORT", "tcp://10.0.0.1:80"), ("HOOKGATE_SERVICE_HOST", "10.0.0.1"), ("PATH", "x")];
    load("", &kubernetes).unwrap();
}

#[test]
fn a_list_is_an_array_in_a_file_and_has_commas_in_a_variable() {
    let file = "[egress]\nallow = [\"10.0.0.0/8\", \"internal.example\"]\n";
    let loaded = load(file, &[]).unwrap();
    assert_eq!((loaded.settings.egress.networks().len(), loaded.settings.egress.hosts().len()), (1, 1));
    let again = load(&loaded.describe(), &[]).unwrap();
    assert_eq!(again.settings.egress, loaded.settings.egress);
    let name = "HOOKGATE__EGRESS__ALLOW";
    let replaced = load(file, &[(name, "10.1.0.0/16, a.example ,b.example")]).unwrap().settings.egress;
    assert_eq!(replaced.networks()[0].to_string(), "10.1.0.0/16");
    assert_eq!(replaced.hosts(), ["a.example", "b.example"]);
    assert!(load(file, &[(name, "")]).unwrap().settings.egress.networks().is_empty());
    refused("[egress]\nallow = '10.0.0.0/8'\n", &[], &["egress.allow must be a list of strings"]);
    refused("[egress]\nallow = [5]\n", &[], &["egress.allow must be a list of strings"]);
    refused("", &[(name, "10.0.0.1/8")], &["egress.allow has \"10.0.0.1/8\"", "10.0.0.0/8", name]);
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    for value in ["1.5", "true", "'64'", "[64]"] {
        let file = format!("[delivery]\nconcurrency = {value}\n");
        refused(&file, &[], &["delivery.concurrency must be a whole number (file "]);
    }
    refused("[data]\ndir = 5\n", &[], &["data.dir must be a string"]);
    let name = "HOOKGATE__API__WORKERS";
    refused("", &[(name, "two")], &["api.workers must be a whole number", name]);
}

#[test]
fn numbers_out_of_bounds_are_refused_with_both_bounds() {
    refused("[delivery]\nconcurrency = 0\n", &[], &["delivery.concurrency is 0: must be between 1 and 10000"]);
    refused("[store]\nquota_bytes = -1\n", &[], &["store.quota_bytes is -1: must not be negative"]);
    refused(
        "[store]\nquota_bytes = 1000\n",
        &[],
        &["store.quota_bytes must be 0 (no limit) or at least four segments"],
    );
}

#[test]
fn every_number_refuses_the_absurd() {
    let loaded = load("", &[]).unwrap();
    for (section, key, entry) in loaded.layers.iter() {
        if matches!(entry.value, Scalar::Number(_)) {
            refused(&format!("[{section}]\n{key} = -1\n"), &[], &[key, "-1"]);
        }
    }
}

#[test]
fn values_that_do_not_fit_together_are_refused() {
    refused("[api]\nlisten = '127.0.0.1:8080'\n", &[], &["api.listen", "ingress.listen"]);
    refused("[ingress]\nbody_memory_bytes = 1048576\n", &[], &["ingress.body_bytes_max", "ingress.body_memory_bytes"]);
    refused("[store]\nsegment_bytes = 1048576\n", &[], &["store.segment_bytes", "twice ingress.body_bytes_max"]);
    let both_any = "[ingress]\nlisten = '127.0.0.1:0'\n[api]\nlisten = '127.0.0.1:0'\n";
    load(both_any, &[]).unwrap();
}

#[test]
fn words_are_checked() {
    refused("[ingress]\nlisten = 'localhost'\n", &[], &["ingress.listen", "127.0.0.1:8080"]);
    refused("[log]\nformat = 'xml'\n", &[], &["log.format", "auto, human or json"]);
    refused("[log]\nlevel = 'inof'\n", &[], &["log.level", "did you mean info?"]);
    refused("[data]\ndir = ''\n", &[], &["data.dir is empty"]);
    refused("[api]\npublic_url = 'x'\n", &[], &["api.public_url"]);
    refused("[delivery]\nheader_prefix = 'X'\n", &[], &["delivery.header_prefix"]);
}

#[test]
fn tls_is_on_with_both_files_and_refused_with_one() {
    let both = "[ingress]\ntls_cert_file = 'c.pem'\ntls_key_file = 'k.pem'\n";
    let settings = load(both, &[]).unwrap().settings;
    let files = settings.ingress.tls().unwrap();
    assert_eq!((files.certificate.setting, files.certificate.path.to_str()), ("ingress.tls_cert_file", Some("c.pem")));
    assert_eq!((files.key.setting, files.key.path.to_str()), ("ingress.tls_key_file", Some("k.pem")));
    assert_eq!(settings.api.tls(), None);
    assert!(settings.ingress.public_url(settings.ingress.listen).starts_with("https://127.0.0.1"));
    refused(
        "[ingress]\ntls_cert_file = 'c.pem'\n",
        &[],
        &["ingress.tls_key_file is empty", "ingress.tls_cert_file is set"],
    );
    let name = "HOOKGATE__API__TLS_KEY_FILE";
    refused("", &[(name, "k.pem")], &["api.tls_cert_file is empty", "api.tls_key_file is set"]);
}

#[test]
fn trusted_proxies_are_networks_or_addresses() {
    let file = "[ingress]\ntrusted_proxies = ['10.0.0.0/8', 'fd00::/8', '192.0.2.7']\n";
    let loaded = load(file, &[]).unwrap();
    let networks: Vec<String> = loaded.settings.ingress.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]);
    assert!(load(&loaded.describe(), &[]).unwrap().settings.ingress == loaded.settings.ingress);
    let name = "HOOKGATE__INGRESS__TRUSTED_PROXIES";
    let networks = |value: &str| load(file, &[(name, value)]).unwrap().settings.ingress.trusted_proxies.len();
    assert_eq!((networks("10.0.0.0/8, ::1"), networks("")), (2, 0));
    for (wrong, part) in [
        ("10.0.0.0/33", "must be a network such as"),
        ("proxy", "must be a network such as"),
        ("10.0.0.1/8", "did you mean \"10.0.0.0/8\"?"),
        ("::ffff:10.0.0.0/104", "write it as IPv4"),
    ] {
        let set = format!("10.0.0.0/8,{wrong}");
        refused("", &[(name, &set)], &[&format!("ingress.trusted_proxies has \"{wrong}\""), part, name]);
    }
    for wrong in ["'10.0.0.0/8'", "[8]", "10"] {
        let file = format!("[ingress]\ntrusted_proxies = {wrong}\n");
        refused(&file, &[], &["ingress.trusted_proxies must be a list of strings"]);
    }
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let missing = Loaded::read(Some(Path::new("no-such-file.toml")), &Environment::default()).unwrap_err();
    assert!(missing.to_string().contains("no-such-file.toml"));
    refused("[[[", &[], &["is not valid TOML"]);
}

#[test]
fn the_variable_names_the_file_unless_the_flag_does() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, workers: u8| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("[api]\nworkers = {workers}\n")).unwrap();
        path
    };
    let (by_variable, by_flag) = (write("variable.toml", 2), write("flag.toml", 3));
    let environment = Environment::from_pairs([("HOOKGATE_CONFIG", by_variable.to_str().unwrap())]);
    assert_eq!(Loaded::read(None, &environment).unwrap().settings.api.workers, 2);
    assert_eq!(Loaded::read(Some(&by_flag), &environment).unwrap().settings.api.workers, 3);
}

#[test]
fn secrets_are_taken_checked_and_never_shown() {
    let (key, master) = ("an-api-key-of-ours", "00ff".repeat(16));
    let loaded = load("", &[("HOOKGATE_API_KEY", key), ("HOOKGATE_MASTER_KEY", &master)]).unwrap();
    assert_eq!(loaded.settings.api_key.as_ref().map(Secret::expose), Some(key));
    assert_eq!(loaded.settings.master_key().map(|key| key[..4].to_vec()), Some(vec![0, 255, 0, 255]));
    let shown = format!("{}{loaded:?}", loaded.describe());
    assert!(!shown.contains(key) && !shown.contains(&master), "{shown}");

    refused("", &[("HOOKGATE_API_KEY", "")], &["HOOKGATE_API_KEY is empty"]);
    refused("", &[("HOOKGATE_API_KEY", "short")], &["HOOKGATE_API_KEY must be at least 12"]);
    refused("", &[("HOOKGATE_MASTER_KEY", &master[1..])], &["HOOKGATE_MASTER_KEY must be 64 hex digits"]);
}

#[test]
fn a_file_of_certificates_is_named_when_there_are_none_in_it() {
    let written = tempfile::NamedTempFile::new().unwrap();
    let path = written.path().to_str().unwrap();
    let variables = [("HOOKGATE__DELIVERY__CA_FILE", path)];
    refused("", &variables, &["delivery.ca_file", path, "no certificate in it", "HOOKGATE__DELIVERY__CA_FILE"]);
    std::fs::write(path, "# ours\n-----BEGIN CERTIFICATE-----\n").unwrap();
    assert_eq!(load("", &variables).unwrap().settings.delivery.ca_file(), Some(written.path()));
    refused("[delivery]\nca_file = 'nowhere.pem'\n", &[], &["delivery.ca_file", "nowhere.pem", "cannot be read"]);
    assert_eq!(load("", &[]).unwrap().settings.delivery.ca_file(), None);
}
