// The page's title: what the page says, with the count of unread notices before it.

let said = document.title.replace(/^\(\d+\+?\) /, "");
let count = 0;

export function setTitle(text) {
  said = text;
  write();
}

export function countUnread(unread) {
  count = unread;
  write();
}

function write() {
  const text = count ? `(${count > 99 ? "99+" : count}) ${said}` : said;
  if (document.title !== text) document.title = text;
}
