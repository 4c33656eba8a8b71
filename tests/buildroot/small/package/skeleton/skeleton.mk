SKELETON_DEPENDENCIES = skeleton-init-common
$(eval $(generic-package))
