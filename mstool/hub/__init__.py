"""Datasets to and from a Hugging Face hub or a mirror of it, verified file by file.

endpoint      which server, chosen before huggingface_hub is imported
client        the library with timeouts; progress bars and messages are ours
options       what a user asked for, and the command that asks for it again
errors        what went wrong, in words that end with the command that fixes it
gate          the validation report that a push demands
inventory     files here and there: sizes, hashes, what differs
identity      who we are there
card          the dataset's README, of card_facts; contact_sheet: the images in it
push          plan, upload, commit once, verify, tag last (tags); write_back notes it in the manifest
pull          download with resume, verify, open, rename into place; stale_tag: whether LeRobot would read the same
transfers     several at a time; sinks: where their bytes go
"""
