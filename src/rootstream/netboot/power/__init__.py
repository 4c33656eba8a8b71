"""Power control: IPMI, Redfish, commands, and virtual machines of this host."""
