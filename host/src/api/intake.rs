//! Events over HTTP: answered after the commit that holds them.

use bytes::Bytes;
use ingest::http;
use ingest::inlet::{Delivery, Ticket};
use model::Input;
use server::Intake;
use server::state::{Answer, Error, Item};
use tokio::sync::oneshot;

use super::Doors;

impl Intake for Doors {
    fn events(&self, content_type: String, headers: Vec<(String, String)>, body: Bytes) -> Answer<'_, Vec<Item>> {
        Box::pin(async move {
            let parsed = http::parse(&content_type, &headers, &body, &self.map.current(), &self.http)
                .map_err(|error| Error::Malformed(error.to_string()))?;
            let mut items = Vec::with_capacity(parsed.len());
            let mut waiting = Vec::new();
            for item in parsed {
                match item {
                    Ok(inputs) => {
                        let id = inputs.first().map(|input| input.id.clone()).unwrap_or_default();
                        waiting.push((items.len(), self.hand_over(inputs).await?));
                        items.push(Item::Accepted { id });
                    }
                    Err(error) => {
                        items.push(Item::Rejected { reason: error.code().into(), detail: error.to_string() });
                    }
                }
            }
            for (_, committed) in waiting {
                // Dropped without an answer: the host is stopping.
                committed.await.map_err(|_| Error::Unavailable("the host is stopping".to_owned()))?;
            }
            Ok(items)
        })
    }
}

impl Doors {
    /// Hands inputs to the engine; the receiver hears when they are on disk.
    pub(crate) async fn hand_over(&self, inputs: Vec<Input>) -> Result<oneshot::Receiver<()>, Error> {
        let (committed, waits) = oneshot::channel();
        let ticket = Ticket::new(move || {
            // Nobody waits any more: the client went away.
            let _ = committed.send(());
        });
        let delivery = Delivery { inputs, rejected: Vec::new(), bytes: 1_024, ticket };
        self.inlet.put(delivery).await.map_err(|_| Error::Unavailable("the host is stopping".to_owned()))?;
        Ok(waits)
    }
}
