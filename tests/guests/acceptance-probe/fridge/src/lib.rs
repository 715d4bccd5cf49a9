//! The probe for the recording of a vaccine fridge.

use acceptance_probe::Probe;

pointsman_sdk::rule!(Probe);
