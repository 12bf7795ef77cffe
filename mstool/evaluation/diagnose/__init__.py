"""Why a policy fails: what it did with its actions, where its states went, what its cameras saw."""
