"""The captioner that asks a large language model, by any endpoint that speaks the OpenAI protocol."""
