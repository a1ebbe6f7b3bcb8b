//! docs/guarantees.md: behind each sentence stands a test, and the test is there.

use std::path::Path;

const PAGE: &str = include_str!("../../docs/guarantees.md");

#[test]
fn every_test_that_is_named_is_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut named = 0;
    // [`name`](path)
    for link in PAGE.split("[`").skip(1) {
        let (name, rest) = link.split_once("`](").expect("a link");
        let (path, _) = rest.split_once(')').expect("a link's end");
        let file = std::fs::read_to_string(docs.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let beginning = if path.ends_with(".rs") { format!("fn {name}(") } else { format!("test('{name}'") };
        assert!(file.contains(&beginning), "no {name} in {path}");
        named += 1;
    }
    assert!(named > 20);
}
