// Runs before the first paint, so that a chosen theme never flashes. A file of its own because inline scripts are not allowed.
try {
  const theme = localStorage.getItem("iotsphere.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be blocked; the system's theme is used then.
}
