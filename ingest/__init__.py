"""From MQTT to Kafka: the bridge decides what a reading is and whose, the registry says who wears what."""
