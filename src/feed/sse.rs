//! Server-sent events as they arrive: bytes in, messages out.

/// One message.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    pub(super) event: String,
    pub(super) data: String,
}

/// What has arrived and is not yet a whole message.
#[derive(Debug, Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    read: usize,
    begun: Message,
}

impl Messages {
    /// Takes what arrived, wherever it was cut.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Option<Message> {
        while let Some(length) = self.bytes[self.read..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.bytes[self.read..self.read + length]).into_owned();
            self.read += length + 1;
            if !line.is_empty() {
                self.take(&line);
                continue;
            }
            let message = std::mem::take(&mut self.begun);
            if message != Message::default() {
                return Some(message);
            }
        }
        None
    }

    fn take(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.begun.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.begun.event),
            "data" if self.begun.data.is_empty() => value.clone_into(&mut self.begun.data),
            "data" => {
                self.begun.data.push('\n');
                self.begun.data.push_str(value);
            }
            // Comments have no name; `retry` is for browsers.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Messages};

    #[test]
    fn messages_are_read_wherever_they_are_cut() {
        let text = "retry: 1000\n\n:\n\nid: 7\nevent: a.b\ndata: {\"name\":\"é\",\ndata:  1}\n\nevent: end\ndata: x\n\nid: 8\n";
        let expected = [
            Message { id: Some("7".into()), event: "a.b".into(), data: "{\"name\":\"é\",\n 1}".into() },
            Message { id: None, event: "end".into(), data: "x".into() },
        ];
        for size in 1..text.len() {
            let (mut messages, mut read) = (Messages::default(), Vec::new());
            for part in text.as_bytes().chunks(size) {
                messages.feed(part);
                read.extend(std::iter::from_fn(|| messages.next()));
            }
            assert_eq!(read, expected, "in parts of {size}");
        }
    }
}
