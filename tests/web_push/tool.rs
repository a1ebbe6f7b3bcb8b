//! `pushnote webpush`.

use pushnote_tests::Process;
use serde_json::json;

use crate::setup::{Setup, import};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_solidwebpush_has_is_taken_over_and_sent_to() {
    let setup = Setup::with_imported(5, &[]);
    let refused = import(setup.data.path());
    assert_eq!(refused.status.code(), Some(69));
    assert!(text(&refused.stderr).contains("in use: stop the server"), "{refused:?}");
    for (whom, browsers) in [
        (&["--all"][..], 5),
        (&["--all", "--except=0,1"], 3),
        (&["--group=1"], 2),
        (&["--user=0", "--user=3,4,none"], 3),
        (&["--user=none"], 0),
    ] {
        let what = ["--title=Hi", "--url=/inbox", "--ttl=1h", "--urgency=low", "--topic=news"];
        let sent = setup.send(&[whom, &what].concat());
        assert!(sent.status.success(), "{sent:?}");
        let said = text(&sent.stdout);
        assert!(said.contains(&format!(": for {browsers} browsers")), "{said}");
        assert_eq!(said.contains(&format!("{browsers} accepted, 0 gone")), browsers > 0, "{said}");
        for _ in 0..browsers {
            let received = setup.service.next();
            let header = |name| received.header(name).unwrap().to_owned();
            assert_eq!((&*header("urgency"), &*header("topic")), ("low", "news"));
            assert!((3500..=3600).contains(&header("ttl").parse::<u64>().unwrap()));
        }
    }
}

#[test]
fn progress_is_seen_and_what_is_refused_is_said() {
    let setup = Setup::with_imported(1, &[]);
    setup.service.answer("503 Service Unavailable\r\nretry-after: 2");
    let send = ["--user=0", "--payload={\"a\":1}", "--id=once"];
    let sent = setup.send(&send);
    assert_eq!(text(&sent.stdout), "once: for 1 browsers\n1 accepted, 0 gone, 0 failed, 0 expired\n");
    assert!(text(&sent.stderr).starts_with("0 of 1 sent; 0 accepted"), "{sent:?}");
    setup.service.next();
    setup.service.next();
    // It is known: nothing more is sent, and what became of it is shown.
    assert_eq!(text(&setup.send(&send).stdout), text(&sent.stdout));
    setup.service.answer("410 Gone");
    let gone = text(&setup.send(&["--all", "--title=Hi"]).stdout);
    assert!(gone.contains("0 accepted, 1 gone"), "{gone}");
    let none = setup.api("GET", "/v1/messages/none", &json!(null));
    assert_eq!(none.status, 404);

    for (arguments, code, words) in [
        (&["--all", "--title=Hi", "--topic=a b"][..], 65, "topic"),
        (&["--title=Hi"], 64, "--all"),
        (&["--all"], 64, "--title"),
        (&["--all", "--payload=x"], 65, "not JSON"),
    ] {
        let refused = setup.send(arguments);
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(code) && said.contains(words), "{arguments:?}: {refused:?}");
    }
    let none = setup.data.path().join("none").display().to_string();
    let refused =
        Process::output("pushnote", &["webpush", "import", &none, &format!("--data-dir={none}")], &[]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).contains(&format!("cannot read {none}")), "{refused:?}");
}
