import { html, type TemplateResult } from "lit";

/** Text to be pasted elsewhere, with a button that copies it. */
export function copyBox(id: string, title: string, text: string): TemplateResult {
  return html`<div class="copy">
    <div class="row"><span class="label grow">${title}</span><button aria-label="Copy the text for ${title}" @click=${(event: Event) => void copy(event.currentTarget as HTMLElement, text)}>Copy</button></div>
    <pre tabindex="0" aria-label=${title} data-testid="copy-${id}">${text}</pre>
  </div>`;
}

/** Browsers offer the clipboard on secure pages only; elsewhere the text is selected, ready for the keyboard. */
async function copy(button: HTMLElement, text: string): Promise<void> {
  const box = button.closest(".copy")!.querySelector("pre")!;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(box);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
