"""The chat page: its words, its HTML, its Gradio Blocks."""
