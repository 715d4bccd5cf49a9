//! A response body that is made while it is read: lines from a bounded channel.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use crate::state::{Error, Lines};

/// The lines of an export. The channel's bound is the only buffer: a slow reader slows the export down.
pub(crate) struct LineBody(pub(crate) Lines);

impl Body for LineBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| line.map(Frame::data)))
    }
}
