"""From a description and a lock to the text of a BuildStream project; nothing here touches disk or network."""
