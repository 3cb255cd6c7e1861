"""How requests and answers look, by whose API they follow: readers that several clients share."""
