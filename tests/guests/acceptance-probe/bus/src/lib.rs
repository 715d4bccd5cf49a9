//! The probe for the recording of eight buses on one route.

use acceptance_probe::Probe;

pointsman_sdk::rule!(Probe);
