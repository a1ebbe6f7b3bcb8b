//! The runtime of a publisher's thread.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime of one thread, whose end nobody waits for: not for a name that is still looked up, and not in async code, where
/// tokio would panic.
#[derive(Debug)]
pub(crate) struct Detached(Option<Runtime>);

impl Detached {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_all().build()?)))
    }

    pub(crate) fn handle(&self) -> Handle {
        self.runtime().handle().clone()
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime().block_on(future)
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken when it is dropped")
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn it_ends_in_async_code_while_something_blocks_in_it() {
        let runtime = Detached::new().unwrap();
        let (end, ended) = channel::<()>();
        runtime.handle().spawn_blocking(move || ended.recv());
        drop(runtime);
        drop(end);
    }
}
