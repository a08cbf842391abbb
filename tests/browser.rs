//! A headless browser, spoken to by `WebDriver`: the few commands that the tests need.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use reqwest::Client;
use serde_json::{Value, json};

use crate::served::Served;

/// The key that sends a form, as `WebDriver` writes it.
pub const ENTER: &str = "\u{e007}";
/// How an element is named in `WebDriver`'s JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser and what drives it; both end with it.
pub struct Browser {
    driver: Child,
    client: Client,
    session: String,
}

impl Browser {
    /// Opens a window of this width.
    pub async fn open(width: u32) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver runs; tests/setup.sh installs it");
        let told = BufReader::new(driver.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let port = told.into_iter().find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let base = format!("http://127.0.0.1:{}/session", port.expect("the driver says its port"));
        let size = format!("--window-size={width},900");
        let arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", &size];
        let mut options = json!({"args": arguments});
        // A window cannot be made as narrow as a phone: that is emulated.
        if width < 500 {
            let device = json!({"width": width, "height": 800, "pixelRatio": 1.0, "touch": false});
            options["mobileEmulation"] = json!({"deviceMetrics": device});
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let client = Client::new();
        let opened = client.post(&base).json(&wanted).send().await.expect("the driver answers");
        let opened: Value = opened.json().await.expect("JSON");
        let id = opened["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {opened}"));
        Self { driver, client, session: format!("{base}/{id}") }
    }

    async fn send(&self, command: &str, body: &Value) -> Result<Value, String> {
        let sent = self.client.post(format!("{}/{command}", self.session)).json(body).send().await;
        let told: Value = sent.expect("the driver answers").json().await.expect("JSON");
        if told["value"]["error"].is_string() { Err(told.to_string()) } else { Ok(told["value"].clone()) }
    }

    async fn goes(&self, address: &str) {
        self.send("url", &json!({"url": address})).await.expect("goes");
    }

    /// Opens a view of the page afresh: another hash alone would be another view of the same page.
    pub async fn goto(&self, served: &Served, hash: &str) {
        self.goes("about:blank").await;
        self.goes(&format!("{}/{hash}", served.address)).await;
    }

    /// What a script gives back.
    pub async fn eval(&self, script: &str) -> Value {
        let run = self.send("execute/sync", &json!({"script": script, "args": []})).await;
        run.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) {
        for _ in 0..600 {
            if self.eval(&format!("return {expression}")).await == true {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let page = self.eval("return document.body.innerText").await;
        panic!("never true: {expression}\n{page}");
    }

    /// The text of the first element that a selector finds, once there is one.
    pub async fn text(&self, selector: &str) -> String {
        let selector = json!(selector);
        self.until(&format!("document.querySelector({selector}) !== null")).await;
        let text = self.eval(&format!("return document.querySelector({selector}).innerText")).await;
        text.as_str().expect("text").to_owned()
    }

    /// Clicks the first element that a selector finds, as a pointer would.
    pub async fn click(&self, selector: &str) {
        let found = self.send("element", &json!({"using": "css selector", "value": selector})).await.expect("found");
        let id = found[ELEMENT].as_str().expect("an element").to_owned();
        self.send(&format!("element/{id}/click"), &json!({})).await.expect("clicked");
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let pressed = |key: char| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let actions: Vec<Value> = keys.chars().flat_map(pressed).collect();
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.send("actions", &keyboard).await.expect("pressed");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser outlives its driver unless its session is ended; this also runs while a test panics.
        let ended = self.session.strip_prefix("http://").and_then(|session| session.split_once('/'));
        if let Some((address, path)) = ended
            && let Ok(mut stream) = TcpStream::connect(address)
        {
            let request = format!("DELETE /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
            // It answers when the browser is gone, and may keep the connection.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read(&mut [0; 512]));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
