"""This host: processes, files, text that is shown; nothing of what Rootstream builds."""
