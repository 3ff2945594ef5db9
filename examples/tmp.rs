fn main() {
    let s = kvspec::scenario::embedded().unwrap();
    let b = kvspec::backend::memory::MemoryBackend;
    for s in s { 
        let start = std::time::Instant::now();
        let t = kvspec::runner::run(&s, &b, &Default::default());
        println!("{} {:?} {:?}", s.name, kvspec::verdict::judge(&s, &t), start.elapsed());
        if std::env::args().nth(1).is_some() { println!("{t:#?}"); }
    }
}
