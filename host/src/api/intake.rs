//! Events over HTTP: answered after the commit that holds them.

use bytes::Bytes;
use ingest::http;
use ingest::inlet::{Delivery, Receipt, Ticket};
use ingest::intake::DELIVERY_OVERHEAD;
use model::Input;
use server::Intake;
use server::state::{Answer, Error, Item};
use tokio::sync::oneshot;

use super::Doors;

impl Intake for Doors {
    fn events(&self, content_type: String, headers: Vec<(String, String)>, body: Bytes) -> Answer<'_, Vec<Item>> {
        Box::pin(async move {
            let parsed = http::parse(&content_type, &headers, &body, &self.intake)
                .map_err(|error| Error::Malformed(error.to_string()))?;
            let mut items = Vec::with_capacity(parsed.len());
            let (mut waiting, mut rejected) = (Vec::new(), Vec::new());
            for item in parsed {
                match item {
                    Ok(http::Event { inputs, bytes }) => {
                        let id = inputs.first().map(|input| input.id.clone()).unwrap_or_default();
                        waiting.push((items.len(), id.clone(), self.hand_over(inputs, bytes).await?));
                        items.push(Item::Accepted { id });
                    }
                    Err(error) => {
                        rejected.push(error.code());
                        items.push(Item::Rejected { reason: error.code().into(), detail: error.to_string() });
                    }
                }
            }
            if !rejected.is_empty() {
                let delivery =
                    Delivery { inputs: Vec::new(), rejected, bytes: DELIVERY_OVERHEAD, ticket: Ticket::none() };
                self.put(delivery).await?;
            }
            for (place, id, committed) in waiting {
                // Dropped without an answer: the host is stopping.
                let receipt = committed.await.map_err(|_| Error::Unavailable("the host is stopping".to_owned()))?;
                if receipt == Receipt::Duplicate {
                    items[place] = Item::Duplicate { id };
                }
            }
            Ok(items)
        })
    }
}

impl Doors {
    /// Hands inputs of this weight to the engine; the receiver hears when they are on disk, and whether any was new.
    pub(crate) async fn hand_over(
        &self,
        inputs: Vec<Input>,
        bytes: usize,
    ) -> Result<oneshot::Receiver<Receipt>, Error> {
        let (committed, waits) = oneshot::channel();
        let ticket = Ticket::answered(move |receipt| {
            // Nobody waits any more: the client went away.
            let _ = committed.send(receipt);
        });
        self.put(Delivery::new(inputs, bytes, ticket)).await?;
        Ok(waits)
    }

    async fn put(&self, delivery: Delivery) -> Result<(), Error> {
        self.inlet.put(delivery).await.map_err(|_| Error::Unavailable("the host is stopping".to_owned()))
    }
}
