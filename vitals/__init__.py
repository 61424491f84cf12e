"""The language of Vigil: readings, windows, policies, alerts, people and topics; pure, imports no other folder."""
