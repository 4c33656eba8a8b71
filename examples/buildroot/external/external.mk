include $(sort $(wildcard $(BR2_EXTERNAL_BOARD_PATH)/package/*/*.mk))
