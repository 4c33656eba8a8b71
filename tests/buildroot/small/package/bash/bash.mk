BASH_VERSION = 1
$(eval $(generic-package))
