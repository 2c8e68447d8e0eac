"""What a deployment uploads: the tracked files of the application in one zip, and beside it what it depends on."""
