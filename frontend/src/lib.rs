//! fhec-frontend
