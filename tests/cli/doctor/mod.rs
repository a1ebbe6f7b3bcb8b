//! `pushnote doctor` names what is wrong with a set-up.

mod fronts;
mod hostile;
mod mq;
mod page;
mod proxies;

use std::process::Output;

use pushnote_tests::Process;

fn doctor(arguments: &[&str]) -> Output {
    Process::output("pushnote", &[&["doctor"], arguments].concat(), &[])
}

/// What it says, line by line.
struct Said(Vec<String>);

impl Said {
    /// The lines of one check.
    #[track_caller]
    fn line(&self, check: &str) -> &str {
        let is_of = |line: &&String| line.get(12..25).is_some_and(|name| name.trim_end() == check);
        self.0.iter().find(is_of).unwrap_or_else(|| panic!("no line of {check}: {self}"))
    }

    #[track_caller]
    fn has(&self, mark: &str, check: &str, words: &[&str]) -> &Self {
        let line = self.line(check);
        assert!(line.starts_with(mark), "{check} is not {mark}: {self}");
        for word in words {
            assert!(line.contains(word), "{word:?} is not in: {line}\n{self}");
        }
        self
    }

    /// Nothing else failed.
    #[track_caller]
    fn fails_only(&self, checks: &[&str]) {
        for line in self.0.iter().filter(|line| line.starts_with("FAIL")) {
            assert!(checks.contains(&line[12..25].trim_end()), "{self}");
        }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Runs it, with the exit code that it must have.
#[track_caller]
fn says(arguments: &[&str], code: i32) -> Said {
    says_with(arguments, &[], code)
}

#[track_caller]
fn says_with(arguments: &[&str], environment: &[(&str, &str)], code: i32) -> Said {
    let output = Process::output("pushnote", &[&["doctor"], arguments].concat(), environment);
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
    let said = Said(stdout.lines().map(str::to_owned).collect());
    let failed = said.0.iter().filter(|line| line.starts_with("FAIL")).count();
    if failed > 0 {
        assert_eq!(stderr, format!("pushnote: {failed} of {} checks failed\n", said.0.len()), "{stdout}");
    }
    said
}
