//! fhec-ckks
