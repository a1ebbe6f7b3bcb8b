//! A page that speaks the client protocol.

use serde_json::{Value, json};

use crate::browser::Browser;

/// A page that speaks the client protocol, and has got so far.
pub struct Page {
    /// Its connection.
    pub browser: Browser,
    /// Where it is.
    pub cursor: String,
    /// Numbers it has had.
    pub had: Vec<u64>,
    /// Times that it was told that messages are missing.
    pub gaps: usize,
}

impl Page {
    /// Opens it, and says hello.
    ///
    /// # Panics
    ///
    /// If there is no server.
    pub async fn open(url: &str) -> Self {
        let mut page =
            Self { browser: Browser::open(url).await, cursor: String::new(), had: Vec::new(), gaps: 0 };
        assert!(page.hello(json!({})).await);
        page
    }

    /// Says hello, with more in it. Whether nothing is missing.
    async fn hello(&mut self, more: Value) -> bool {
        let mut data = json!({"id": 1, "version": 1});
        if let Value::Object(more) = more {
            data.as_object_mut().expect("as the protocol says").extend(more);
        }
        self.browser.say(&json!({"name": "hello", "data": data}).to_string()).await;
        loop {
            let answer = self.browser.next().await;
            if answer["type"] == "welcome" {
                assert_eq!((&answer["id"], &answer["version"]), (&json!(1), &json!(1)));
                self.cursor = answer["cursor"].as_str().expect("as the protocol says").to_owned();
                return answer["complete"].as_bool().expect("as the protocol says");
            }
        }
    }

    /// Comes back to this server. Whether nothing is missing.
    pub async fn comes_back(&mut self, url: &str) -> bool {
        self.browser = Browser::open(url).await;
        self.hello(json!({"cursor": self.cursor})).await
    }

    /// What the server says next, and takes note of it.
    ///
    /// # Panics
    ///
    /// If nothing comes in time.
    pub async fn next(&mut self) -> Value {
        let value = self.browser.next().await;
        if let Some(cursor) = value["cursor"].as_str() {
            assert!(cursor.len() <= 200);
            self.cursor = cursor.to_owned();
        }
        match value["type"].as_str().expect("every message says what it is") {
            "messages" => {
                let messages = value["messages"].as_array().expect("as the protocol says");
                self.had.extend(messages.iter().filter_map(|message| message["data"].as_u64()));
            }
            "gap" => self.gaps += 1,
            _ => {}
        }
        value
    }

    /// Reads until this number has come.
    ///
    /// # Panics
    ///
    /// If it does not come in time.
    pub async fn until(&mut self, number: u64) {
        while self.had.last().is_none_or(|last| *last < number) {
            self.next().await;
        }
    }
}
