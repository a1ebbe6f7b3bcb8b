//! A page that speaks the client protocol (docs/protocol.md): it knows how far it has come, and goes on from there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Browser, HttpSession, PATIENCE};

/// Between two tries to connect, and what a server has for an answer.
const RETRY: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_secs(8);

/// What a page is connected over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A raw WebSocket.
    WebSocket,
    /// A raw WebSocket whose side of the kernel's buffers is as small as it can be.
    NarrowWebSocket,
    /// SockJS's stream over HTTP.
    XhrStreaming,
    /// SockJS's long poll.
    XhrPolling,
}

/// What a page was told, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The message with this number: its data is that, or has it as `n`.
    Number(u64),
    /// That something is missing.
    Gap,
}

/// What became of the numbers from 0 on that publishers took in turn: the first of two took 0, 2, 4 …
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Had, each once and in its publisher's order.
    pub had: u64,
    /// Missing, and the page knew it when it got the next one.
    pub missed: u64,
    /// Missing without a word.
    pub lost: u64,
    /// Had again, or too late.
    pub doubled: u64,
}

/// See the module's documentation.
pub struct Page {
    link: Link,
    transport: Transport,
    /// Where it is, as the server has told it.
    pub cursor: String,
    /// What it was told.
    pub told: Vec<Told>,
    /// How often it has connected.
    pub connections: u32,
}

enum Link {
    WebSocket(Box<Browser>),
    Http(Box<HttpSession>),
}

impl Link {
    async fn open(transport: Transport, address: &str) -> anyhow::Result<Self> {
        let address = address.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let url = format!("ws://{address}/sockjs/websocket");
        Ok(match transport {
            Transport::WebSocket => Self::WebSocket(Box::new(Browser::try_open(&url).await?)),
            Transport::NarrowWebSocket => Self::WebSocket(Box::new(Browser::open_narrow(&url).await?)),
            Transport::XhrStreaming => Self::http(address, "xhr_streaming").await?,
            Transport::XhrPolling => Self::http(address, "xhr").await?,
        })
    }

    async fn http(address: &str, transport: &'static str) -> anyhow::Result<Self> {
        Ok(Self::Http(Box::new(HttpSession::open(address, transport).await?)))
    }

    /// Whether it could be said.
    async fn say(&mut self, text: &str) -> bool {
        match self {
            Self::WebSocket(browser) => browser.try_say(text).await.is_ok(),
            Self::Http(session) => session.say(text).await.is_ok(),
        }
    }

    /// The next message; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Value> {
        match self {
            Self::WebSocket(browser) => browser.next_or_end().await.ok(),
            Self::Http(session) => session.next().await.ok(),
        }
    }
}

impl Page {
    /// Connects to the server at `address`, or with this URL of a WebSocket, and says hello.
    ///
    /// # Panics
    ///
    /// If the server does not welcome it.
    pub async fn open(address: &str) -> Self {
        Self::open_over(Transport::WebSocket, address).await
    }

    /// The same over any transport.
    ///
    /// # Panics
    ///
    /// As there.
    pub async fn open_over(transport: Transport, address: &str) -> Self {
        let link = Link::open(transport, address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        let mut page = Self { link, transport, cursor: String::new(), told: Vec::new(), connections: 1 };
        assert_eq!(page.hello(json!({})).await, Some(true), "the server does not welcome it");
        page
    }

    /// Says hello, with more in it. Whether nothing is missing; `None` if the connection ends.
    async fn hello(&mut self, more: Value) -> Option<bool> {
        let mut data = json!({"id": 1, "version": 1});
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        if !self.link.say(&json!({"name": "hello", "data": data}).to_string()).await {
            return None;
        }
        loop {
            let answer = self.link.next().await?;
            if answer["type"] == "welcome" {
                assert_eq!((&answer["id"], &answer["version"]), (&json!(1), &json!(1)));
                self.cursor = answer["cursor"].as_str().expect("a cursor").to_owned();
                let complete = answer["complete"].as_bool().expect("whether nothing is missing");
                if !complete {
                    self.told.push(Told::Gap);
                }
                return Some(complete);
            }
        }
    }

    /// Comes back to the server at `address`, whether it was disconnected or not. Whether nothing is missing.
    ///
    /// # Panics
    ///
    /// If the server does not welcome it.
    pub async fn comes_back(&mut self, address: &str) -> bool {
        self.try_to_come_back(address).await.unwrap_or_else(|| panic!("{address} does not welcome it"))
    }

    async fn try_to_come_back(&mut self, address: &str) -> Option<bool> {
        self.link = Link::open(self.transport, address).await.ok()?;
        self.connections += 1;
        let hello = self.hello(json!({"cursor": self.cursor.clone()}));
        tokio::time::timeout(ANSWER, hello).await.ok().flatten()
    }

    /// Sends one text as it is.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn say(&mut self, text: &str) {
        assert!(self.link.say(text).await, "the connection is gone");
    }

    /// What the server says next; the page takes note of it.
    ///
    /// # Panics
    ///
    /// If nothing comes in time, or the connection ends.
    pub async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(PATIENCE, self.next_or_end()).await.expect("no message came");
        next.expect("the connection ended")
    }

    /// The same; `None` if the connection ends.
    ///
    /// # Panics
    ///
    /// If it is not the client protocol.
    pub async fn next_or_end(&mut self) -> Option<Value> {
        let value = self.link.next().await?;
        if let Some(cursor) = value["cursor"].as_str() {
            assert!(cursor.len() <= 200, "{cursor}");
            self.cursor = cursor.to_owned();
        }
        match value["type"].as_str().expect("every message says what it is") {
            "messages" => {
                let messages = value["messages"].as_array().expect("messages");
                let number = |data: &Value| data.as_u64().or_else(|| data["n"].as_u64());
                self.told.extend(messages.iter().filter_map(|one| number(&one["data"]).map(Told::Number)));
            }
            "gap" => self.told.push(Told::Gap),
            _ => {}
        }
        Some(value)
    }

    /// Reads until it has had this number, or a later one.
    ///
    /// # Panics
    ///
    /// As [`next`](Self::next).
    pub async fn until(&mut self, number: u64) {
        while self.last().is_none_or(|last| last < number) {
            self.next().await;
        }
    }

    /// Reads until that is enough, as a page in a browser does: whenever its connection ends, it tries these servers in
    /// turn.
    ///
    /// # Panics
    ///
    /// If nothing comes, or no server is there, for a while.
    pub async fn follow(&mut self, addresses: &[String], mut enough: impl FnMut(&Self) -> bool) {
        let mut next = addresses.iter().cycle();
        while !enough(self) {
            let told = tokio::time::timeout(PATIENCE, self.next_or_end()).await;
            if told.unwrap_or_else(|_| panic!("nothing came after {:?}", self.last())).is_some() {
                continue;
            }
            let deadline = Instant::now() + PATIENCE;
            while self.try_to_come_back(next.next().expect("an address")).await.is_none() {
                assert!(Instant::now() < deadline, "no server is there");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// The numbers that it has had.
    pub fn had(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.told.iter().filter_map(|told| match told {
            Told::Number(number) => Some(*number),
            Told::Gap => None,
        })
    }

    fn last(&self) -> Option<u64> {
        self.had().next_back()
    }

    /// How often it was told that something is missing.
    pub fn gaps(&self) -> usize {
        self.told.iter().filter(|told| **told == Told::Gap).count()
    }

    /// What became of the numbers that so many publishers took in turn.
    pub fn account(&self, publishers: u64) -> Account {
        let mut account = Account::default();
        for publisher in 0..publishers {
            let (mut expected, mut told_of_gap) = (publisher, false);
            for told in &self.told {
                match *told {
                    Told::Gap => told_of_gap = true,
                    Told::Number(number) if number % publishers != publisher => {}
                    Told::Number(number) if number < expected => account.doubled += 1,
                    Told::Number(number) => {
                        let skipped = (number - expected) / publishers;
                        *(if told_of_gap { &mut account.missed } else { &mut account.lost }) += skipped;
                        account.had += 1;
                        (expected, told_of_gap) = (number + publishers, false);
                    }
                }
            }
        }
        account
    }
}
