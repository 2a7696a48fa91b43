# SPDX-License-Identifier: GPL-2.0-or-later
#
# Packages. The tool knows where it is installed, so they have one of their own; and of the stubs the one for this machine.

PACKAGE := $(BUILD)/package
NATIVE   = $(subst aarch64,arm64,$(shell uname -m))
package-files:
	$(Q)tools/build/deps.sh $(NATIVE) packages
	$(Q)+$(MAKE) ARCH=$(NATIVE) image
	$(Q)+$(MAKE) BUILD=$(PACKAGE) prefix=/usr tool
	$(Q)install -D -m 644 -t $(PACKAGE)/$(NATIVE) $(BUILD)/$(NATIVE)/capstub.*Image

deb: package-files
	$(Q)file=$$(tools/package/deb.sh $(PACKAGE) $(VERSION) $(BUILD)) && lintian --fail-on error $$file && $(say) DEB $$file

rpm: package-files
	$(Q)file=$$(tools/package/rpm.sh $(PACKAGE) $(VERSION) $(BUILD)) && $(say) RPM $$file
