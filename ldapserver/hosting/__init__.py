"""From options, as they are typed, written into a file or given as keywords, to a server that listens."""
