import grp, multiprocessing, os, pwd, resource, signal, socket, sys, tempfile, threading
print(sys.argv, os.getpid(), pwd.getpwuid(os.getuid()).pw_name, [grp.getgrgid(g).gr_name for g in os.getgroups()])
print(sys.stdout.encoding, sys.getfilesystemencoding(), os.environ.get("LANG"), os.get_terminal_size if False else "")
with tempfile.NamedTemporaryFile() as f:
    print(os.path.dirname(f.name))
q = multiprocessing.Queue()
p = multiprocessing.Process(target=lambda: q.put(sum(range(1000))))
p.start(); print(q.get()); p.join()
lock = multiprocessing.Lock()
a, b = socket.socketpair(); a.send(b"x"); print(b.recv(1))
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[0])
signal.signal(signal.SIGALRM, lambda *_: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()
t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()
try:
    os.setuid(33); print("now", os.getuid())
except OSError as e:
    print("setuid:", e)
sys.exit(3)
