//! A device: one MQTT 3.1.1 connection whose every byte the test decides.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::PATIENCE;
use super::packets::{self, Publish};

pub(crate) struct Device {
    stream: TcpStream,
}

impl Device {
    pub(crate) async fn connect(broker: SocketAddr, client: &str, clean: bool) -> Self {
        Self::connect_with(broker, &packets::connect(client, clean)).await
    }

    pub(crate) async fn connect_with(broker: SocketAddr, connect: &[u8]) -> Self {
        let stream = TcpStream::connect(broker).await.expect("the broker listens");
        let mut device = Self { stream };
        device.send(connect).await;
        let answer = device.read().await;
        assert_eq!((answer[0], answer[3]), (0x20, 0), "an accepting CONNACK: {answer:?}");
        device
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the connection stands");
    }

    /// Publishes at QoS 1 and waits for the PUBACK.
    pub(crate) async fn publish(&mut self, topic: &str, packet: u16, payload: &[u8]) {
        self.send(&Publish::qos1(topic, packet, payload).bytes()).await;
        assert_eq!(self.puback().await, packet);
    }

    /// The packet identifier of the next PUBACK.
    pub(crate) async fn puback(&mut self) -> u16 {
        let answer = self.read().await;
        assert_eq!(answer[0], 0x40, "a PUBACK: {answer:?}");
        u16::from_be_bytes([answer[2], answer[3]])
    }

    /// Waits until everything sent before has been read, by a ping; false when the broker reads no further because it
    /// waits for a commit.
    pub(crate) async fn has_answer(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.try_read(&mut byte) {
            Ok(read) => read > 0,
            Err(_) => false,
        }
    }

    /// A regular end: no will.
    pub(crate) async fn disconnect(mut self) {
        self.send(&[0xe0, 0]).await;
        let mut rest = Vec::new();
        // Read to the end, so that the broker has seen the packet before the test goes on.
        let _ = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
    }

    async fn read(&mut self) -> Vec<u8> {
        let whole = async {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).await.expect("an answer");
            let mut body = vec![0; usize::from(head[1])];
            self.stream.read_exact(&mut body).await.expect("a whole answer");
            [head.to_vec(), body].concat()
        };
        tokio::time::timeout(PATIENCE, whole).await.expect("an answer in time")
    }
}
