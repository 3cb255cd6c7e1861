"""Google's API of Gemini models: the Gemini API and Vertex AI."""
