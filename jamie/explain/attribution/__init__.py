"""Attribution: which features a label transfer relies on."""
