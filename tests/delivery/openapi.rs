//! The API is what its description says: schemathesis makes requests of it, right and wrong ones.

use std::path::Path;
use std::process::Command;

use crate::api::{ALL, Api};

/// Requests of each operation that are made up, beside those that its limits suggest.
const EXAMPLES: &str = "--max-examples=50";

/// Runs all its checks, the same way each time.
fn check(more: &[&str]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schemathesis = tests.join(".venv/bin/schemathesis");
    assert!(schemathesis.exists(), "{} is missing: run 'make test-setup' first", schemathesis.display());
    let data = tempfile::tempdir().unwrap();
    let data = format!("--data-dir={}", data.path().display());
    // Where nobody listens.
    let nobody = "--push-allowed-net=127.0.0.1";
    let (_single, api) = Api::single(&[&data, "--vapid-subject=mailto:ops@example.org", nobody]);
    // It leaves files where it runs.
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new(schemathesis)
        .args(["run", &format!("http://{}/v1/openapi.json", api.address)])
        .args(["--header", &format!("Authorization: Bearer {ALL}")])
        .args(["--checks=all", EXAMPLES, "--generation-deterministic", "--continue-on-failure", "--no-color"])
        .args(more)
        .env("SCHEMATHESIS_HOOKS", "openapi_hooks")
        .env("PYTHONPATH", tests.join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{report}{}", String::from_utf8_lossy(&ran.stderr));
    // Whatever is described has been asked for; it leaves out where the description itself is.
    let description = api.ask("GET", "/v1/openapi.json", ALL, "").json();
    let paths = description["paths"].as_object().unwrap().values();
    let described: usize = paths.map(|methods| methods.as_object().unwrap().len()).sum();
    assert!(report.contains(&format!("Tested: {}\n", described - 1)), "{described} operations: {report}");
}

/// Here, a character is a byte, and so the description's limits are the server's.
#[test]
fn what_is_described_is_answered_as_described() {
    check(&["--generation-codec=ascii"]);
}

/// What is right by its characters may be too long by its bytes.
#[test]
fn no_character_makes_an_answer_that_is_not_described() {
    check(&["--exclude-checks=positive_data_acceptance"]);
}
