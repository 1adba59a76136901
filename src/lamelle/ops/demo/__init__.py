"""The demonstration: invented patients, drawn tissue, and a server that shows them.

Nothing here is used outside `lamelle demo`; nothing here comes from a real person or a real slide.
"""
