//! What only a start would find: whether a program may listen where it is to, and write where it is to. Looking takes nothing,
//! and disturbs nobody who listens there already.

use std::io;
use std::path::Path;

use pushnote_net::probe_folder;

use crate::{Failure, Listening};

/// What was found.
#[derive(Debug, Default)]
pub struct Places {
    /// What would keep the program from starting.
    pub faults: Vec<Failure>,
    /// What may, and may be as it should: a server with these settings that is running has its own places.
    pub in_use: Vec<String>,
}

impl Places {
    /// Where something is to listen.
    pub fn listening(&mut self, all: &[Listening]) {
        for place in all {
            match place.probe() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => self.in_use.push(place.in_use()),
                Err(error) => self.faults.push(place.failure(&error)),
            }
        }
    }

    /// A directory that is to be written to, which is made where it is not there yet.
    pub fn directory(&mut self, flag: &str, directory: &Path) {
        let there = directory.ancestors().find(|path| path.exists()).unwrap_or(directory);
        // Of a relative path the last one is empty, which is where we are.
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        if let Err(error) = probe_folder(there) {
            self.folder_fault(flag, there, &error);
        }
    }

    /// A file that is made where it is not there yet, in a folder that is.
    pub fn file(&mut self, flag: &str, file: &Path) {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if let Err(error) = probe_folder(folder)
            && !file.exists()
        {
            self.folder_fault(flag, folder, &error);
        }
    }

    fn folder_fault(&mut self, flag: &str, folder: &Path, error: &io::Error) {
        let folder = folder.display();
        let what = match error.kind() {
            io::ErrorKind::NotADirectory => format!("{folder} is not a directory"),
            io::ErrorKind::NotFound => {
                format!("there is no folder {folder}: make it first, or correct the path")
            }
            io::ErrorKind::PermissionDenied => {
                format!("this user may not make files in {folder}: let it, or name another folder")
            }
            _ => format!("{folder} cannot be written to: {error}"),
        };
        self.faults.push(Failure::config(format!("{flag}: {what}")));
    }
}
