"""What pages and help print for a person to copy: commands and blocks, and what runs each of them."""
