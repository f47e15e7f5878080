"""A voyage from the captain's side: launched, found, asked, steered, fetched and sunk."""
