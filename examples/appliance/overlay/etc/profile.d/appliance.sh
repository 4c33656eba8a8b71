# Everything is in memory: what is changed here is gone after a restart.
PS1='appliance:\w\$ '
