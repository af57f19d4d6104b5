"""The sample conversations: what ``zettel demo`` ingests, and what tests and notebooks may use.

- ``lighthouse.txt``: two friends turn a lighthouse keeper's cottage into a guest house, March to December 2025. Lines
  of ``Speaker: text``; a heading such as ``# 2025-03-04 18:30`` starts a session.
- ``questions.json``: questions about it, each with its answer and, word for word, the turns that hold the answer.
- ``assistant.jsonl``: a user plans a vegetable garden with an assistant, in two conversations; one message a line, in
  the OpenAI form with ``timestamp`` and ``conversation_id``.

All of it was written for zettel, is fiction from beginning to end, and falls under zettel's license (MIT).
"""
