"""DHCP and TFTP by dnsmasq, and the network interface that they use."""
